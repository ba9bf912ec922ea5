/** One word for the shell, whatever is in it: a command that a person is to paste must not be one that a name brought along. */
export const shellQuoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
