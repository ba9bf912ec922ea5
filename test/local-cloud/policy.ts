import { type ConditionBlock, isConditionMet } from './policy-condition';
import { type PolicyContext, resolvePattern } from './policy-pattern';

type OneOrMany = string | string[];

export interface PolicyStatement {
  Sid?: string;
  Effect: 'Allow' | 'Deny';
  /** of bucket policies; anybody is meant here */
  Principal?: unknown;
  Action?: OneOrMany;
  NotAction?: OneOrMany;
  Resource?: OneOrMany;
  NotResource?: OneOrMany;
  Condition?: ConditionBlock;
}

export interface PolicyDocument {
  /** only '2012-10-17' knows variables; in older documents `${…}` is literal text, as in IAM */
  Version?: string;
  Statement: PolicyStatement | PolicyStatement[];
}

export interface Access {
  action: string;
  resource: string;
  context: PolicyContext;
}

/**
 * IAM's decision for one identity: every document must allow, none may deny; no document at all allows nothing.
 * `guards` (bucket policies) can only deny here.
 */
export function isAllowed(documents: PolicyDocument[], access: Access, guards: PolicyDocument[] = []): boolean {
  if (documents.length === 0) return false;
  const effects = documents.map((document) => matchingEffects(document, access));
  if (!effects.every((found) => found.has('Allow'))) return false;
  return ![...effects, ...guards.map((guard) => matchingEffects(guard, access))].some((found) => found.has('Deny'));
}

/** Refuses what would silently never match: unknown fields and operators, statements without action or resource. */
export function checkPolicy(document: PolicyDocument): PolicyDocument {
  for (const statement of statementsOf(document)) {
    const known = ['Sid', 'Effect', 'Principal', 'Action', 'NotAction', 'Resource', 'NotResource', 'Condition'];
    const stray = Object.keys(statement).find((field) => !known.includes(field));
    if (stray !== undefined) throw new Error(`policy statement has unknown field ${stray}`);
    if ((statement.Action === undefined) === (statement.NotAction === undefined)) {
      throw new Error('policy statement needs Action or NotAction');
    }
    if ((statement.Resource === undefined) === (statement.NotResource === undefined)) {
      throw new Error('policy statement needs Resource or NotResource');
    }
    if (statement.Condition !== undefined) isConditionMet(statement.Condition, {}, true);
  }
  return document;
}

function matchingEffects(document: PolicyDocument, access: Access): Set<'Allow' | 'Deny'> {
  const variables = document.Version === '2012-10-17';
  return new Set(
    statementsOf(document)
      .filter((statement) => matches(statement, access, variables))
      .map((statement) => statement.Effect),
  );
}

function matches(statement: PolicyStatement, { action, resource, context }: Access, variables: boolean): boolean {
  const actionMatches =
    statement.Action === undefined
      ? !many(statement.NotAction).some((pattern) => matchesAction(pattern, action))
      : many(statement.Action).some((pattern) => matchesAction(pattern, action));
  if (!actionMatches) return false;
  const patterns = many(statement.Resource ?? statement.NotResource).map((pattern) =>
    resolvePattern(pattern, variables ? context : undefined),
  );
  if (statement.Resource !== undefined) {
    if (!patterns.some((pattern) => pattern?.test(resource))) return false;
  } else if (patterns.some((pattern) => pattern === undefined || pattern.test(resource))) return false;
  return statement.Condition === undefined || isConditionMet(statement.Condition, context, variables);
}

function matchesAction(pattern: string, action: string): boolean {
  return resolvePattern(pattern.toLowerCase(), undefined)?.test(action.toLowerCase()) ?? false;
}

function statementsOf(document: PolicyDocument): PolicyStatement[] {
  return Array.isArray(document.Statement) ? document.Statement : [document.Statement];
}

function many(value: OneOrMany | undefined): string[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? value : [value];
}
