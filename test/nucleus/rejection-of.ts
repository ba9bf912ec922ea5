import type { RpcError } from 'aws-iot-device-sdk-v2/dist/eventstream_rpc';

/** What a call of the SDK failed with. @throws when it did not */
export async function rejectionOf(call: Promise<unknown>): Promise<RpcError> {
  const answer = await call.catch((error: unknown) => ({ error }));
  if (typeof answer === 'object' && answer !== null && 'error' in answer) return answer.error as RpcError;
  throw new Error(`answered ${JSON.stringify(answer)}`);
}
