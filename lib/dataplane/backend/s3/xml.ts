/**
 * The little XML that S3 speaks: answers are read by the names of their elements, bodies are written from text.
 *
 * Pure. Answers of S3 have no attributes that matter and no mixed content, so finding elements by name is enough; whatever else comes is no answer, and finds
 * nothing. Called by the bucket and by the credentials of web identities.
 */

const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };

/** The text of the first element of this name; undefined when there is none. */
export function elementText(xml: string, name: string): string | undefined {
  const [first] = elements(xml, name);
  return first === undefined ? undefined : unescapeText(first);
}

/** What is inside each element of this name, in order. Elements of one name are not nested. */
export function elements(xml: string, name: string): string[] {
  const found: string[] = [];
  const opening = new RegExp(`<${name}(?:\\s[^>]*)?(/?)>`, 'g');
  for (let match = opening.exec(xml); match !== null; match = opening.exec(xml)) {
    if (match[1] === '/') {
      found.push('');
      continue;
    }
    const end = xml.indexOf(`</${name}>`, opening.lastIndex);
    if (end < 0) break;
    found.push(xml.slice(opening.lastIndex, end));
    opening.lastIndex = end;
  }
  return found;
}

/** Text as it may stand inside an element. */
export function escapeText(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}

function unescapeText(text: string): string {
  return text.replace(/&(?:#x([0-9a-fA-F]+)|#([0-9]+)|([a-z]+));/g, (whole, hex, decimal, name) => {
    if (name !== undefined) return ENTITIES[name as string] ?? whole;
    const code = hex === undefined ? Number.parseInt(decimal, 10) : Number.parseInt(hex, 16);
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}
