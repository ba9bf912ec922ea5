import { radosgw } from '../engines/radosgw';
import { describeEngine } from './describe-engine';
import { describeInboxAccess } from './inbox-access-contract';
import { describeInboxStore } from './inbox-store-contract';
import { describeObjectStore } from './object-store-contract';
import { describeAccess } from './s3-access-contract';
import { describeS3 } from './s3-contract';
import { describePresigned } from './s3-presigned-contract';
import { describeStoreAccess } from './store-access-contract';
import { describeStorePlain } from './store-transfer-contract';

describeEngine(radosgw, [
  describeS3,
  describeAccess,
  describePresigned,
  describeObjectStore,
  describeStoreAccess,
  describeStorePlain,
  describeInboxStore,
  describeInboxAccess,
]);
