/** As the operator's side of the service spells them. */
export type JobsControlErrorName =
  | 'InvalidRequestException'
  | 'InvalidStateTransitionException'
  | 'ResourceAlreadyExistsException'
  | 'ResourceNotFoundException'
  | 'VersionConflictException';

/** What an operator asked for is refused. */
export class JobsControlError extends Error {
  constructor(
    override readonly name: JobsControlErrorName,
    message: string,
  ) {
    super(message);
  }
}
