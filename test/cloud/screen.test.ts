import { progressLine, Screen } from '../../src/cloud/screen';

const CLEAR = '\r\u001b[K';

function written(isTTY: boolean, use: (screen: Screen) => void): string {
  let text = '';
  use(
    new Screen({
      isTTY,
      columns: 60,
      write: (more) => {
        text += more;
      },
    }),
  );
  return text;
}
const use = (screen: Screen): void => {
  screen.showProgress(0.5, '1 of 2');
  screen.say('a: sent');
  screen.showState(0.5, '1 of 2');
  screen.showState(0.5, '1 of 2');
  screen.showState(1, '2 of 2');
  screen.settle();
  screen.clear();
};

describe('the screen', () => {
  it('has one line that each next one replaces, on a terminal', () => {
    const half = `${CLEAR}${progressLine(0.5, '1 of 2', 60)}`;
    expect(written(true, use)).toBe(
      `${half}${CLEAR}a: sent\n${half}${half}${CLEAR}${progressLine(1, '2 of 2', 60)}${CLEAR}2 of 2\n`,
    );
  });

  it('has a line for each change, elsewhere', () => {
    expect(written(false, use)).toBe('a: sent\n1 of 2\n2 of 2\n');
  });

  it.each([
    { share: 0, line: '[........................]   0 %  x' },
    { share: 0.999, line: '[#######################.]  99 %  x' },
    { share: 1, line: '[########################] 100 %  x' },
    { share: 1.5, line: '[########################] 100 %  x' },
  ])('shows $share', ({ share, line }) => {
    expect(progressLine(share, 'x', 80)).toBe(line);
  });

  it('leaves the last column free', () => {
    expect(progressLine(0.5, 'a long text', 40)).toHaveLength(39);
  });
});
