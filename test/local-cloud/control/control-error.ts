/** As services of AWS refuse: a code, and a sentence. */
export class ControlError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

export const notFound = (what: string): ControlError =>
  new ControlError(404, 'ResourceNotFoundException', `${what} does not exist`);
export const invalid = (problem: string): ControlError => new ControlError(400, 'InvalidRequestException', problem);
