import type { PolicyDocument } from './policy';

/** Seed A: pull and move in one bucket. */
export function seedAPolicy(bucket: string): PolicyDocument {
  return {
    Version: '2012-10-17',
    Statement: [
      { Effect: 'Allow', Action: 's3:ListBucket', Resource: `arn:aws:s3:::${bucket}` },
      {
        Effect: 'Allow',
        Action: ['s3:GetObject', 's3:PutObject', 's3:DeleteObject'],
        Resource: `arn:aws:s3:::${bucket}/*`,
      },
    ],
  };
}

/** Seed B: the role that its Lambda assumes may do more; what counts is the session policy. */
export function seedBRolePolicy(bucket: string): PolicyDocument {
  return { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: 's3:*', Resource: everythingIn(bucket) }] };
}

/** Seed B: PutObject on the thing's folder and nothing else. */
export function seedBSessionPolicy(bucket: string, thing: string): PolicyDocument {
  return {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Action: 's3:PutObject', Resource: `arn:aws:s3:::${bucket}/${thing}/*` }],
  };
}

/** Seed C: GetObject only. */
export function seedCPolicy(bucket: string): PolicyDocument {
  return {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Action: 's3:GetObject', Resource: `arn:aws:s3:::${bucket}/*` }],
  };
}

/** Seed D: the role that signs the URLs of jobs. */
export function seedDPolicy(...buckets: string[]): PolicyDocument {
  return {
    Version: '2012-10-17',
    Statement: [
      { Effect: 'Allow', Action: ['s3:GetObject', 's3:ListBucket'], Resource: buckets.flatMap(everythingIn) },
    ],
  };
}

/** Seed E: one folder per thing, by policy variable. */
export function seedEPolicy(bucket: string): PolicyDocument {
  return {
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Action: 's3:ListBucket',
        Resource: `arn:aws:s3:::${bucket}`,
        Condition: { StringLike: { 's3:prefix': `${THING_NAME}/*` } },
      },
      {
        Effect: 'Allow',
        Action: ['s3:PutObject', 's3:GetObject', 's3:GetObjectVersion', 's3:DeleteObject', 's3:DeleteObjectVersion'],
        Resource: `arn:aws:s3:::${bucket}/${THING_NAME}/*`,
      },
    ],
  };
}

/** As little as suffices for uploads: PutObject on the thing's own folder. */
export function thingOnlyPolicy(bucket: string): PolicyDocument {
  return {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Action: 's3:PutObject', Resource: `arn:aws:s3:::${bucket}/${THING_NAME}/*` }],
  };
}

/** What an administrator may do; also the policy of `LocalCloud.admin`. */
export function adminPolicy(): PolicyDocument {
  return { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }] };
}

// biome-ignore lint/suspicious/noTemplateCurlyInString: a policy variable
const THING_NAME = '${credentials-iot:ThingName}';

function everythingIn(bucket: string): string[] {
  return [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/*`];
}
