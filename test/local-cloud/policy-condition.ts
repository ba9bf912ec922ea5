import { contextValue, type PolicyContext, resolvePattern, resolveText } from './policy-pattern';

type ConditionValue = string | number | boolean;
export type ConditionBlock = Record<string, Record<string, ConditionValue | ConditionValue[]>>;

/** True when `actual` satisfies one value of the policy; `undefined` for expected = a variable without a value. */
type Comparison = (actual: string, expected: string, context: PolicyContext | undefined) => boolean;

const equal: Comparison = (actual, expected, context) => resolveText(expected, context) === actual;
const equalAnyCase: Comparison = (actual, expected, context) =>
  resolveText(expected, context)?.toLowerCase() === actual.toLowerCase();
const like: Comparison = (actual, expected, context) => resolvePattern(expected, context)?.test(actual) ?? false;
const numeric =
  (compare: (a: number, b: number) => boolean): Comparison =>
  (actual, expected) =>
    compare(Number(actual), Number(expected));

const OPERATORS: Record<string, { compare: Comparison; negated?: true }> = {
  StringEquals: { compare: equal },
  StringNotEquals: { compare: equal, negated: true },
  StringEqualsIgnoreCase: { compare: equalAnyCase },
  StringNotEqualsIgnoreCase: { compare: equalAnyCase, negated: true },
  StringLike: { compare: like },
  StringNotLike: { compare: like, negated: true },
  ArnEquals: { compare: like },
  ArnLike: { compare: like },
  ArnNotEquals: { compare: like, negated: true },
  ArnNotLike: { compare: like, negated: true },
  Bool: { compare: equalAnyCase },
  NumericEquals: { compare: numeric((a, b) => a === b) },
  NumericNotEquals: { compare: numeric((a, b) => a === b), negated: true },
  NumericLessThan: { compare: numeric((a, b) => a < b) },
  NumericLessThanEquals: { compare: numeric((a, b) => a <= b) },
  NumericGreaterThan: { compare: numeric((a, b) => a > b) },
  NumericGreaterThanEquals: { compare: numeric((a, b) => a >= b) },
};

/** All operators and all keys must hold; of several values for a key one is enough (for the negated: none may match). */
export function isConditionMet(block: ConditionBlock, context: PolicyContext, variables: boolean): boolean {
  return Object.entries(block)
    .map(([operator, keys]) =>
      Object.entries(keys).every(([key, expected]) => {
        const values = (Array.isArray(expected) ? expected : [expected]).map(String);
        return isKeyMet(operator, contextValue(context, key), values, variables ? context : undefined);
      }),
    )
    .every(Boolean);
}

function isKeyMet(
  operator: string,
  actual: string | undefined,
  values: string[],
  context: PolicyContext | undefined,
): boolean {
  if (operator === 'Null') return values.includes(String(actual === undefined));
  const ifExists = operator.endsWith('IfExists');
  const found = OPERATORS[ifExists ? operator.slice(0, -'IfExists'.length) : operator];
  if (found === undefined) throw new Error(`policy condition operator ${operator} is not known here`);
  if (actual === undefined) return ifExists || found.negated === true;
  const some = values.some((value) => found.compare(actual, value, context));
  return found.negated === true ? !some : some;
}
