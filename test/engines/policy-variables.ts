import type { PolicyDocument } from './engine';

/** The policy as JSON with its variables replaced, for engines that know none of `credentials-iot:`. */
export function fillVariables(policy: PolicyDocument, variables: Readonly<Record<string, string>> = {}): string {
  return JSON.stringify(policy).replace(/\$\{([\w:-]+)\}/g, (all, name: string) => variables[name] ?? all);
}
