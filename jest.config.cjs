// Four suites share one configuration: `npm test` runs unit and integration tests, the others are asked for by name.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true';

const suite = process.env.SUITE ?? 'default';
const SUITES = {
  default: ['<rootDir>/test/**/*.test.ts'],
  engines: ['<rootDir>/test/**/*.engines.ts'],
  crash: ['<rootDir>/test/**/*.crash.ts'],
  package: ['<rootDir>/test/**/*.package.ts'],
};

module.exports = {
  testMatch: SUITES[suite],
  transform: { '^.+\\.[jt]s$': ['@swc/jest', { jsc: { target: 'es2022', parser: { syntax: 'typescript' } } }] },
  // These are published as ES modules only.
  transformIgnorePatterns: ['/node_modules/(?!(?:aedes|chokidar|readdirp)/)'],
  modulePathIgnorePatterns: ['<rootDir>/dist', '<rootDir>/greengrass-build'],
  ...(suite === 'default' ? { globalSetup: '<rootDir>/test/build-once.cjs' } : {}),
  testTimeout: 120_000,
  // They wait more than they compute.
  maxWorkers: 3,
};
