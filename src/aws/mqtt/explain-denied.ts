export type DeniedAction = 'iot:Connect' | 'iot:Publish' | 'iot:Subscribe';

/** What has to stand in the certificate's IoT policy. @param endpoint tells the region, where it is AWS's */
export function explainDenied(action: DeniedAction, name: string, endpoint: string): string {
  const region = /\.iot\.([a-z0-9-]+)\.amazonaws\.com/.exec(endpoint)?.[1] ?? '<region>';
  const arn = (kind: string, what: string): string => `arn:aws:iot:${region}:<account>:${kind}/${what}`;
  switch (action) {
    case 'iot:Connect':
      return `${endpoint} hangs up on the client id ${name}; allow iot:Connect on ${arn('client', name)} in the certificate's IoT policy. Until then there are no messages`;
    case 'iot:Publish':
      return `${endpoint} hangs up when ${name} is published to; allow iot:Publish on ${arn('topic', name)} in the certificate's IoT policy`;
    case 'iot:Subscribe':
      // In a filter the wildcards are literal characters for the policy; the topics below need the policy's own.
      return `${endpoint} hangs up when ${name} is subscribed to; allow iot:Subscribe on ${arn('topicfilter', name)} and iot:Receive on ${arn('topic', name.replace(/[+#]/g, '*'))} in the certificate's IoT policy`;
  }
}
