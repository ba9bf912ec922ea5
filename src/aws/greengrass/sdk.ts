/**
 * What we use of AWS's SDK, in a bundle of its own: it loads a native part, which has no 32-bit ARM build. The service
 * model and the operations are taken one level below its client, because that drops which error it was that came back.
 */
export {
  RequestResponseOperation,
  RpcClient,
  type RpcClientConfig,
  type RpcError,
  RpcErrorType,
  StreamingOperation,
} from 'aws-iot-device-sdk-v2/dist/eventstream_rpc';
export { createDefaultClientConfig } from 'aws-iot-device-sdk-v2/dist/greengrasscoreipc';
export { makeServiceModel } from 'aws-iot-device-sdk-v2/dist/greengrasscoreipc/model_utils';
