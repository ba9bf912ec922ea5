/** Its message says all that a person needs; there is no use for a stack. */
export class DemoFailure extends Error {}
