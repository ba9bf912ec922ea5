/** Keys are compared in lower case, as IAM does. A key that is absent has no value. */
export type PolicyContext = Readonly<Record<string, string | undefined>>;

const compiled = new Map<string, RegExp>();

/**
 * A policy's text with `*`, `?` and (given a context) `${variables}` as an expression. The value of a variable is
 * literal: a thing named `*` matches only itself. undefined when a variable has no value: nothing can match then.
 */
export function resolvePattern(pattern: string, context: PolicyContext | undefined): RegExp | undefined {
  let source = '';
  for (const token of pattern.match(/\$\{[^}]*\}|\*|\?|[^$*?]+|\$/g) ?? []) {
    if (token === '*') source += '.*';
    else if (token === '?') source += '.';
    else if (token.startsWith('${') && context !== undefined) {
      const value = variableValue(token.slice(2, -1), context);
      if (value === undefined) return undefined;
      source += escapeRegExp(value);
    } else source += escapeRegExp(token);
  }
  const known = compiled.get(source);
  if (known !== undefined) return known;
  const expression = new RegExp(`^${source}$`, 's');
  if (compiled.size > 10_000) compiled.clear();
  compiled.set(source, expression);
  return expression;
}

/** The same for operators without wildcards. */
export function resolveText(text: string, context: PolicyContext | undefined): string | undefined {
  if (context === undefined) return text;
  let missing = false;
  const resolved = text.replace(/\$\{([^}]*)\}/g, (_, variable: string) => {
    const value = variableValue(variable, context);
    missing ||= value === undefined;
    return value ?? '';
  });
  return missing ? undefined : resolved;
}

export function contextValue(context: PolicyContext, key: string): string | undefined {
  return context[key.toLowerCase()];
}

/** `${key}`, `${key, 'default'}`, and the three escapes `${*}` `${?}` `${$}`. */
function variableValue(variable: string, context: PolicyContext): string | undefined {
  if (variable === '*' || variable === '?' || variable === '$') return variable;
  const [, key = '', fallback] = /^\s*([^,]*?)\s*(?:,\s*'(.*)')?\s*$/.exec(variable) ?? [];
  const value = contextValue(context, key);
  return value === undefined || value === '' ? fallback : value;
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
}
