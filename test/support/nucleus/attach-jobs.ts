import type { JobsService } from '../../local-cloud/jobs/jobs-service';
import type { IotCore } from './iot-core';

/** The cloud's jobs reach a core device through its nucleus's connection. */
export function attachJobs(iotCore: IotCore, jobs: JobsService): void {
  iotCore.on('$aws/things/+/jobs/#', ({ topic, payload }) => {
    // After the answer to the publication itself.
    setImmediate(() => jobs.hear(topic, payload, (answerTopic, answer) => iotCore.publish(answerTopic, answer)));
  });
  jobs.onNotification(({ topic, payload }) => iotCore.publish(topic, payload));
}
