export type NucleusKind = 'classic' | 'lite';

/** How this nucleus behaves. Each may be changed at any time, on its own; `switchesOf` gives a real one's. */
export interface NucleusSwitches {
  /** Whose words and shapes the answers have. */
  readonly kind: NucleusKind;
  /** Operations, by their short names, that this nucleus does not know. */
  readonly unsupported: Set<string>;
  /** Operations that are taken and never answered; `Connect` is accepted by the socket and never acknowledged. */
  readonly hanging: Set<string>;
  /** A request whose headers and body have more bytes than this ends the connection without a word. */
  maxMessageBytes: number | undefined;
  /** A message from IoT Core whose topic and payload have more bytes than this never arrives. */
  maxInboundBytes: number | undefined;
  /** Further QoS 1 publications to IoT Core are refused while so many wait for their PUBACK. */
  maxUnacknowledged: number | undefined;
  /** How long IoT Core takes for a PUBACK. */
  acknowledgeAfterMs: number | 'never';
  /** While the link is down publications are taken, up to so many bytes, and delivered later; 0: refused at once. */
  spoolBytes: number;
  /** Every scalar of the configuration reads as a string. */
  stringScalars: boolean;
  /** Deployments ask the component about its configuration, where it subscribed to that. */
  validates: boolean;
  /** How long a deployment waits for the component's report. */
  validationTimeoutMs: number;
  /** How long an announced update waits for the component's word. */
  deferTimeoutMs: number;
  /** A changed configuration lets the nucleus restart the component after so long. */
  restartAfterMs: number | undefined;
  /** SIGKILL so long after SIGTERM: classic's is fixed, lite's is the default of the recipe's Timeout. */
  killAfterMs: number;
}

const NOT_IN_LITE = [
  'SubscribeToComponentUpdates',
  'DeferComponentUpdate',
  'SubscribeToValidateConfigurationUpdates',
  'SendConfigurationValidityReport',
  'PutComponentMetric',
  'GetThingShadow',
  'UpdateThingShadow',
  'DeleteThingShadow',
  'ListNamedShadowsForThing',
  'GetSecretValue',
];
/** They come with components of their own. */
const NOT_IN_BARE_CLASSIC = NOT_IN_LITE.filter((name) => /Shadow|Secret/.test(name));

const COMMON = {
  stringScalars: false,
  validationTimeoutMs: 20_000,
  deferTimeoutMs: 60_000,
};

/** What the real ones do: classic as of 2026, lite 2.6 built with its defaults. */
export function switchesOf(kind: NucleusKind): NucleusSwitches {
  if (kind === 'classic') {
    return {
      ...COMMON,
      kind,
      unsupported: new Set(NOT_IN_BARE_CLASSIC),
      hanging: new Set(),
      maxMessageBytes: undefined,
      maxInboundBytes: undefined,
      maxUnacknowledged: undefined,
      acknowledgeAfterMs: 0,
      spoolBytes: 2.5 * 1024 * 1024,
      validates: true,
      restartAfterMs: undefined,
      killAfterMs: 5_000,
    };
  }
  return {
    ...COMMON,
    kind,
    unsupported: new Set(NOT_IN_LITE),
    hanging: new Set(),
    // The payload of a publication is base64 in there: 7,300 bytes of it pass, 7,400 do not.
    maxMessageBytes: 10_000,
    maxInboundBytes: 4_700,
    maxUnacknowledged: 10,
    acknowledgeAfterMs: 25,
    spoolBytes: 0,
    validates: false,
    restartAfterMs: 10_000,
    killAfterMs: 120_000,
  };
}
