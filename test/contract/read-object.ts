import type { GetObjectCommandOutput } from '@aws-sdk/client-s3';

type Answer = GetObjectCommandOutput | Promise<GetObjectCommandOutput>;

export async function readBytes(answer: Answer): Promise<Buffer> {
  const { Body } = await answer;
  if (Body === undefined) throw new Error('GetObject without a body');
  return Buffer.from(await Body.transformToByteArray());
}

export const readText = async (answer: Answer): Promise<string> => (await readBytes(answer)).toString('utf8');
