const GRAPHEMES = new Intl.Segmenter(undefined, { granularity: 'grapheme' });
/** What terminals draw over two columns. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/;
const EMOJI = /\p{Emoji_Presentation}|\ufe0f/u;

/** Exactly so many columns wide: padded, or its beginning left out, for the end of a path tells more. */
export function fitToWidth(text: string, columns: number): string {
  const graphemes = Array.from(GRAPHEMES.segment(text), ({ segment }) => segment);
  const total = graphemes.reduce((sum, grapheme) => sum + widthOf(grapheme), 0);
  if (total <= columns) return text + ' '.repeat(columns - total);
  let kept = '';
  let used = 1;
  for (let grapheme = graphemes.pop(); grapheme !== undefined; grapheme = graphemes.pop()) {
    if (used + widthOf(grapheme) > columns) break;
    used += widthOf(grapheme);
    kept = grapheme + kept;
  }
  return columns < 1 ? '' : `…${kept}${' '.repeat(columns - used)}`;
}

function widthOf(grapheme: string): number {
  return WIDE.test(grapheme) || EMOJI.test(grapheme) ? 2 : 1;
}
