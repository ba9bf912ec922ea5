/** What an operator is told: a sentence that ends with the next step. */
export class CloudError extends Error {}

/** The command was not understood; nothing was done. */
export class CommandError extends CloudError {}

/** The operator has ended the command. */
export class InterruptedError extends CloudError {}
