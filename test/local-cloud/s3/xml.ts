import { S3Error } from './s3-error';

export type XmlContent = string | number | boolean | XmlNode[] | undefined;
export interface XmlNode {
  name: string;
  content: XmlContent;
}

const NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/';

/** An element; one without content (undefined) is left out of the document. */
export function el(name: string, content: XmlContent): XmlNode {
  return { name, content };
}

export function xmlDocument(root: XmlNode, namespace = true): string {
  const opening = namespace ? `<${root.name} xmlns="${NAMESPACE}">` : `<${root.name}>`;
  return `<?xml version="1.0" encoding="UTF-8"?>\n${opening}${inner(root.content)}</${root.name}>`;
}

function inner(content: XmlContent): string {
  if (!Array.isArray(content)) return escapeXml(String(content ?? ''));
  let text = '';
  for (const node of content) {
    if (node.content !== undefined) text += `<${node.name}>${inner(node.content)}</${node.name}>`;
  }
  return text;
}

export function escapeXml(text: string): string {
  // S3 escapes control characters too, although XML 1.0 cannot carry them: encoding-type=url exists for that.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.replace(/[&<>"\u0000-\u001f]/g, (char) => {
    const named = ESCAPES[char];
    return named ?? `&#x${char.charCodeAt(0).toString(16)};`;
  });
}

const ESCAPES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const ENTITIES: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

export interface XmlElement {
  name: string;
  children: XmlElement[];
  text: string;
}

/** Parses the small documents that S3 accepts: elements, text, entities. No DTD, no CDATA, attributes dropped. */
export function parseXml(source: string): XmlElement {
  const root: XmlElement = { name: '', children: [], text: '' };
  const open: XmlElement[] = [root];
  const tokens =
    /<\?[\s\S]*?\?>|<!--[\s\S]*?-->|<(\/?)([A-Za-z_][\w.:-]*)((?:\s+[\w.:-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>|([^<]+)/gy;
  while (tokens.lastIndex < source.length) {
    const match = tokens.exec(source);
    if (match === null) throw malformedXml();
    const [, closing, name, , selfClosing, text] = match;
    const current = open.at(-1)!;
    if (text !== undefined) current.text += unescapeXml(text);
    else if (name !== undefined && closing === '/') {
      if (open.length === 1 || current.name !== name) throw malformedXml();
      open.pop();
    } else if (name !== undefined) {
      const element = { name, children: [], text: '' };
      current.children.push(element);
      if (selfClosing !== '/') open.push(element);
    }
  }
  const [document] = root.children;
  if (open.length !== 1 || root.children.length !== 1 || document === undefined || root.text.trim() !== '') {
    throw malformedXml();
  }
  return document;
}

export function childText(element: XmlElement, name: string): string | undefined {
  return element.children.find((child) => child.name === name)?.text;
}

export function malformedXml(): S3Error {
  return new S3Error(
    'MalformedXML',
    'The XML you provided was not well-formed or did not validate against our published schema',
  );
}

function unescapeXml(text: string): string {
  return text.replace(/&(#x[0-9a-fA-F]+|#\d+|\w+);|&/g, (_, entity: string | undefined) => {
    if (entity === undefined) throw malformedXml();
    if (entity.startsWith('#x')) return String.fromCodePoint(Number.parseInt(entity.slice(2), 16));
    if (entity.startsWith('#')) return String.fromCodePoint(Number(entity.slice(1)));
    const char = ENTITIES[entity];
    if (char === undefined) throw malformedXml();
    return char;
  });
}
