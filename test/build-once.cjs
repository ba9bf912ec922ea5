const { execFileSync } = require('node:child_process');

/** Before the first test: several start the built daemon, and none may meet another's half of it. */
module.exports = () =>
  execFileSync('npm', ['run', '--silent', 'build'], { cwd: `${__dirname}/..`, stdio: ['ignore', 'ignore', 'inherit'] });
