import { moto, motoChecking } from '../engines/moto';
import { describeEngine } from './describe-engine';
import { describeInboxStore } from './inbox-store-contract';
import { describeObjectStore } from './object-store-contract';
import { describeAccess } from './s3-access-contract';
import { describeS3 } from './s3-contract';

describeEngine(moto, [describeS3, describeObjectStore, describeInboxStore]);
describeEngine(motoChecking, [describeAccess]);
