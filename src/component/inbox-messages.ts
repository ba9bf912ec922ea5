import type { Inbound } from '../inbox/inbound';

const MAX_TEXT = 300;
/** A key has up to 1,024 bytes, and each may be two in JSON. */
const MAX_RESULT_BYTES = 3_800;

/** One result, for whoever asked: of an object that has ended its way, one way or the other, or has to wait. */
export function inboundResult(row: Inbound): object {
  const { id, request, state, outcome, objectKey, etag, sizeBytes, landedPath, verified, archiveKey } = row;
  const short = {
    id: request,
    n: id,
    event: outcome ?? (state === 'wanted' ? 'waiting' : state),
    key: objectKey,
    etag,
    sizeBytes,
    verified,
    code: row.errorCode,
    message: row.errorMessage === undefined ? undefined : cut(row.errorMessage),
  };
  const long = { ...short, path: landedPath, archiveKey };
  return Buffer.byteLength(JSON.stringify(long)) <= MAX_RESULT_BYTES ? long : short;
}

/** A request that asks for nothing that can be done. */
export const refusedResult = (reason: string, id: string | undefined) => ({
  id,
  event: 'refused',
  message: cut(reason),
});

/** What other components of the device are told of a file that is there. @param folder absolute */
export const landedMessage = ({ objectKey, etag, sizeBytes, landedPath, verified }: Inbound, folder: string): Buffer =>
  Buffer.from(
    JSON.stringify({
      event: 'landed',
      path: cut(`${folder}/${landedPath}`, 1_500),
      key: objectKey,
      etag,
      sizeBytes,
      verified: verified === 'length' ? undefined : verified,
    }),
  );

const cut = (text: string, characters = MAX_TEXT): string =>
  text.length <= characters ? text : `${text.slice(0, characters - 1)}…`;
