/** What we use of AWS's native runtime, in a bundle of its own: it loads a native part, which has no 32-bit ARM build. */

export { HttpProxyAuthenticationType, HttpProxyConnectionType, HttpProxyOptions } from 'aws-crt/dist/native/http';
export { ClientTlsContext, SocketOptions, TlsContextOptions, TlsVersion } from 'aws-crt/dist/native/io';
export { MqttClient, type MqttClientConnection, QoS } from 'aws-crt/dist/native/mqtt';
