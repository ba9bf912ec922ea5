import type { S3Exchange } from './exchange';
import { S3Error } from './s3-error';
import { escapeXml, parseXml, type XmlElement, type XmlNode } from './xml';

const NOTIFICATION = 'NotificationConfiguration';

/** An empty one where none was ever put. */
export async function getBucketNotification(exchange: S3Exchange): Promise<void> {
  exchange.require('s3:GetBucketNotification', exchange.bucketArn);
  await exchange.receiveNothing();
  await exchange.replyXml(nodeOf(parseXml(exchange.settings.notification ?? `<${NOTIFICATION}/>`)));
}

/** Replaces all of it. */
export async function putBucketNotification(exchange: S3Exchange): Promise<void> {
  exchange.require('s3:PutBucketNotification', exchange.bucketArn);
  const root = await exchange.receiveXml(NOTIFICATION);
  exchange.changeSettings({ notification: xmlOf(root) });
  await exchange.reply(200, {});
}

export async function getBucketLifecycle(exchange: S3Exchange): Promise<void> {
  exchange.require('s3:GetLifecycleConfiguration', exchange.bucketArn);
  await exchange.receiveNothing();
  const { lifecycle } = exchange.settings;
  if (lifecycle === undefined)
    throw new S3Error('NoSuchLifecycleConfiguration', 'The lifecycle configuration does not exist');
  await exchange.replyXml(nodeOf(parseXml(lifecycle)));
}

const nodeOf = ({ name, children, text }: XmlElement): XmlNode => ({
  name,
  content: children.length === 0 ? text : children.map(nodeOf),
});

const xmlOf = ({ name, children, text }: XmlElement): string =>
  `<${name}>${children.length === 0 ? escapeXml(text) : children.map(xmlOf).join('')}</${name}>`;
