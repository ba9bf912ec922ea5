import type { Verdict } from './diagnose';
import { explainDenied } from './explain-denied';

export interface Surroundings {
  /** host:port */
  readonly endpoint: string;
  readonly clientId: string;
  readonly certificateFile: string;
  readonly caFile: string | undefined;
  readonly nowMs: number;
}

/** Why there is no connection: one sentence, with the next step where there is one for a person. */
export function explainFailure(verdict: Verdict, around: Surroundings): string {
  const { endpoint, clientId, certificateFile, caFile, nowMs } = around;
  switch (verdict.kind) {
    case 'unreachable':
      return `${endpoint} cannot be reached (${verdict.code}); if it lasts, check mqtt.endpoint, and that the network lets its port through`;
    case 'no way through the proxy':
      return verdict.reason;
    case 'server not proven':
      if (/^ERR_TLS_CERT_ALTNAME/.test(verdict.code))
        return `${endpoint} proves to be another host (${verdict.code}); check mqtt.endpoint: aws iot describe-endpoint --endpoint-type iot:Data-ATS`;
      if (/^CERT_(NOT_YET_VALID|HAS_EXPIRED)$/.test(verdict.code))
        return `by this device's clock (${new Date(nowMs).toISOString()}) the certificate of ${endpoint} is not valid (${verdict.code}); set the clock`;
      return `${endpoint} does not prove who it is by ${caFile ?? 'the CA certificates Node.js brings along'} (${verdict.code}); check mqtt.endpoint, or set mqtt.caFile to its CA`;
    case 'certificate refused':
      return `${endpoint} refuses the device certificate ${certificateFile} (${verdict.code}); check that it is registered and active: aws iot list-certificates`;
    case 'not understood':
      return `${endpoint} takes the device certificate, and does not take the connection (${verdict.code}); if it lasts, check that mqtt.endpoint is an MQTT broker, and that it lets the client id ${clientId} in`;
    case 'connect refused':
      return explainDenied('iot:Connect', clientId, endpoint);
  }
}
