import { AUDIENCE, base64url, claims, ISSUER, NOW } from './fixtures.ts'

/** A token before it is signed, and what happens to its text afterwards. */
export interface Draft {
  /** Which key signs; the header names it too, as long as no change says otherwise. */
  readonly signer: string
  readonly header: Readonly<Record<string, unknown>>
  readonly claims: Readonly<Record<string, unknown>>
  /** What happens to their JSON before it is signed, and to the token afterwards, in turn. */
  readonly headerEdits: readonly ((json: string) => string)[]
  readonly payloadEdits: readonly ((json: string) => string | Uint8Array)[]
  readonly edits: readonly ((token: string) => string)[]
}

/** One change of a draft, for better or worse. */
export interface Change {
  readonly name: string
  /** Why jose takes such a token and we refuse it. Absent: both say the same. */
  readonly strict?: string
  readonly apply: (draft: Draft) => Draft
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

function claim(name: string, value: unknown): Change['apply'] {
  return (draft) => ({ ...draft, claims: { ...draft.claims, [name]: value } })
}

function without(member: 'claims' | 'header', name: string): Change['apply'] {
  return (draft) => {
    const { [name]: _, ...rest } = draft[member]
    return { ...draft, [member]: rest }
  }
}

function head(name: string, value: unknown): Change['apply'] {
  return (draft) => ({ ...draft, header: { ...draft.header, [name]: value } })
}

function payload(write: (json: string) => string | Uint8Array): Change['apply'] {
  return (draft) => ({ ...draft, payloadEdits: [...draft.payloadEdits, write] })
}

function headerText(write: (json: string) => string): Change['apply'] {
  return (draft) => ({ ...draft, headerEdits: [...draft.headerEdits, write] })
}

function edit(change: (token: string) => string): Change['apply'] {
  return (draft) => ({ ...draft, edits: [...draft.edits, change] })
}

function segment(index: number, change: (text: string) => string): Change['apply'] {
  return edit((token) =>
    token
      .split('.')
      .map((text, at) => (at === index ? change(text) : text))
      .join('.'),
  )
}

/** The next letter of the alphabet in the place of a letter. */
function bump(text: string, at: number): string {
  const next = ALPHABET[(ALPHABET.indexOf(text.at(at) ?? 'A') + 1) % 64] ?? 'A'
  const index = at < 0 ? text.length + at : at
  return `${text.slice(0, index)}${next}${text.slice(index + 1)}`
}

const withMember = (json: string, member: string) => `${json.slice(0, -1)},${member}}`

/** The changes after which both verifiers say the same. */
const AGREED: readonly Change[] = [
  { name: 'aud among others', apply: claim('aud', ['https://other.example', AUDIENCE]) },
  { name: 'typ in capitals', apply: head('typ', 'AT+JWT') },
  { name: 'typ as a media type', apply: head('typ', 'application/at+jwt') },
  { name: 'claims of other names', apply: claim('tenant', { id: 'é', list: [1, null, true] }) },
  { name: 'no scope', apply: without('claims', 'scope') },
  { name: 'white space in the payload', apply: payload((json) => ` ${json}\n`) },
  { name: 'white space in the header', apply: headerText((json) => `\n${json} `) },
  { name: 'escaped names', apply: payload((json) => json.replace('"sub"', '"\\u0073ub"')) },
  ...[-601, -61, -60].map((at) => ({ name: `exp at ${at}`, apply: claim('exp', NOW + at) })),
  ...[-59, 0, 1].map((at) => ({ name: `exp at ${at}`, apply: claim('exp', NOW + at) })),
  ...[-1, 0, 60, 61, 600].map((at) => ({ name: `nbf at ${at}`, apply: claim('nbf', NOW + at) })),
  ...[-600, 0, 60].map((at) => ({ name: `iat at ${at}`, apply: claim('iat', NOW + at) })),
  ...['iss', 'sub', 'aud', 'exp', 'iat', 'jti', 'client_id'].map((name) => ({
    name: `no ${name}`,
    apply: without('claims', name),
  })),
  ...[null, '', `${NOW + 600}`, true, [NOW + 600]].map((value) => ({
    name: `exp ${JSON.stringify(value)}`,
    apply: claim('exp', value),
  })),
  ...[null, `${NOW}`, [NOW]].flatMap((value) => [
    { name: `nbf ${JSON.stringify(value)}`, apply: claim('nbf', value) },
    { name: `iat ${JSON.stringify(value)}`, apply: claim('iat', value) },
  ]),
  ...[`${ISSUER}/`, ISSUER.toUpperCase(), '', 1, null, [ISSUER]].map((value) => ({
    name: `iss ${JSON.stringify(value)}`,
    apply: claim('iss', value),
  })),
  ...['https://other.example', `${AUDIENCE}/`, '', [], null, 1, { 0: AUDIENCE }].map((value) => ({
    name: `aud ${JSON.stringify(value)}`,
    apply: claim('aud', value),
  })),
  ...['JWT', 'id+jwt', 'logout+jwt', '', 'at+jwt ', 1, null].map((value) => ({
    name: `typ ${JSON.stringify(value)}`,
    apply: head('typ', value),
  })),
  { name: 'no typ', apply: without('header', 'typ') },
  ...['none', 'HS256', 'EdDSA', 'ES256', 'RS256', 'PS256', 'Ed25519', 'ES384', '', 1].map(
    (value) => ({ name: `alg ${JSON.stringify(value)}`, apply: head('alg', value) }),
  ),
  { name: 'no alg', apply: without('header', 'alg') },
  ...['ed1', 'ed2', 'ec', 'rsa', 'other', '', '__proto__'].map((value) => ({
    name: `kid ${JSON.stringify(value)}`,
    apply: head('kid', value),
  })),
  { name: 'no kid', apply: without('header', 'kid') },
  { name: 'crit of an unknown name', apply: head('crit', ['exp']) },
  { name: 'crit that is empty', apply: head('crit', []) },
  {
    name: 'an unencoded payload',
    apply: (draft) => ({ ...draft, header: { ...draft.header, crit: ['b64'], b64: false } }),
  },
  ...['[]', 'null', '"x"', '1', '', '{', '{}x', '{"a":1,}'].map((text) => ({
    name: `payload ${text}`,
    apply: payload(() => text),
  })),
  ...['[]', 'null', '"x"', '', '{'].map((text) => ({
    name: `header ${text}`,
    apply: headerText(() => text),
  })),
  {
    name: 'UTF-16',
    apply: payload((json) => new Uint8Array([...json].flatMap((char) => [char.charCodeAt(0), 0]))),
  },
  {
    name: 'UTF-8 that is not valid',
    apply: payload((json) => {
      const bytes = new TextEncoder().encode(json)
      return new Uint8Array([...bytes.slice(0, 8), 0xff, ...bytes.slice(8)])
    }),
  },
  { name: 'another signer', apply: (draft) => ({ ...draft, signer: 'ed2' }) },
  { name: 'header changed after signing', apply: segment(0, (text) => bump(text, 5)) },
  { name: 'payload changed after signing', apply: segment(1, (text) => bump(text, 9)) },
  { name: 'signature changed', apply: segment(2, (text) => bump(text, 0)) },
  { name: 'signature changed at its end', apply: segment(2, (text) => bump(text, -3)) },
  { name: 'signature cut', apply: segment(2, (text) => text.slice(0, -4)) },
  { name: 'signature longer', apply: segment(2, (text) => `AAAA${text}`) },
  { name: 'signature of zeros', apply: segment(2, (text) => 'A'.repeat(text.length)) },
  { name: 'no signature', apply: segment(2, () => '') },
  { name: 'no header', apply: segment(0, () => '') },
  { name: 'two segments', apply: edit((token) => token.slice(0, token.lastIndexOf('.'))) },
  { name: 'four segments', apply: edit((token) => `${token}.AAAA`) },
  { name: 'five segments', apply: edit((token) => `${token}.AAAA.AAAA`) },
  { name: 'a segment in front', apply: edit((token) => `.${token}`) },
  { name: 'the JSON form', apply: edit((token) => JSON.stringify({ payload: token })) },
  { name: 'the word Bearer in front', apply: edit((token) => `Bearer ${token}`) },
  {
    name: 'base64 in the place of base64url',
    apply: segment(2, (text) => text.replaceAll('-', '+').replaceAll('_', '/')),
  },
  {
    name: 'a letter of no alphabet',
    apply: segment(2, (text) => `${text.slice(0, 4)}%${text.slice(5)}`),
  },
]

/** The changes that jose lets pass and we refuse, each with its reason. */
const STRICT: readonly Change[] = [
  {
    name: 'unused bits in the signature',
    strict: 'one token has one spelling (RFC 8725bis 3.14)',
    apply: segment(2, (text) => bump(text, -1)),
  },
  {
    name: 'padding',
    strict: 'one token has one spelling (RFC 7515 section 2: no padding)',
    apply: segment(2, (text) => `${text}==`),
  },
  {
    name: 'white space in the signature',
    strict: 'one token has one spelling (RFC 7515 section 2: no white space)',
    apply: segment(2, (text) => `${text.slice(0, 8)} ${text.slice(8)}`),
  },
  {
    name: 'more than 8 KiB',
    strict: 'work before the signature check is bounded',
    apply: claim('pad', 'x'.repeat(8192)),
  },
  {
    name: 'a claim twice',
    strict: 'duplicate names let two readers see two tokens (RFC 7519 section 4)',
    apply: payload((json) => withMember(json, `"sub":"user:1"`)),
  },
  {
    name: 'a claim twice, behind an escape',
    strict: 'duplicate names let two readers see two tokens (RFC 7519 section 4)',
    apply: payload((json) => withMember(json, `"\\u0073ub":"user:1"`)),
  },
  {
    name: 'a header member twice',
    strict: 'duplicate names let two readers see two tokens (RFC 7515 section 4)',
    apply: headerText((json) => withMember(json, `"typ":"at+jwt"`)),
  },
  {
    name: 'a claim named __proto__',
    strict: 'claims that are copied must not reach a prototype',
    apply: payload((json) => withMember(json, `"__proto__":{"admin":true}`)),
  },
  {
    name: 'claims 40 levels deep',
    strict: 'depth is bounded',
    apply: payload((json) => withMember(json, `"deep":${'['.repeat(40)}${']'.repeat(40)}`)),
  },
  {
    name: 'a lone surrogate',
    strict: 'text that UTF-8 cannot spell is compared differently elsewhere (RFC 8725 3.7)',
    apply: payload((json) => withMember(json, `"name":"\\ud800"`)),
  },
  ...['jwk', 'jku', 'x5u', 'x5c', 'cty', 'zip', 'x'].map((name) => ({
    name: `the header member ${name}`,
    strict: 'a header has alg, kid and typ only',
    apply: head(name, name === 'x5c' ? ['AA'] : 'https://evil.example'),
  })),
  {
    name: 'iat in the future',
    strict: 'a token of tomorrow was not issued by an honest clock (attack 37)',
    apply: claim('iat', NOW + 61),
  },
  ...['exp', 'iat', 'nbf'].map((name) => ({
    name: `${name} in fractions`,
    strict: 'times are whole seconds',
    apply: claim(name, name === 'exp' ? NOW + 0.5 : NOW - 0.5),
  })),
  {
    name: 'exp 1e308',
    strict: 'times are instants before the year 10000',
    apply: claim('exp', 1e308),
  },
  {
    name: 'iat -1',
    strict: 'times are instants since 1970',
    apply: claim('iat', -1),
  },
  ...['sub', 'jti', 'client_id'].flatMap((name) =>
    ['', 1, null, ['x']].map((value) => ({
      name: `${name} ${JSON.stringify(value)}`,
      strict: 'sub, jti and client_id are non-empty strings (RFC 9068 section 2.2)',
      apply: claim(name, value),
    })),
  ),
  {
    name: 'scope as a list',
    strict: 'scope is a string (RFC 9068 section 2.2.3)',
    apply: claim('scope', ['reports:read']),
  },
  {
    name: 'aud with a number in it',
    strict: 'aud is a list of strings (RFC 7519 section 4.1.3)',
    apply: claim('aud', [AUDIENCE, 1]),
  },
  {
    name: 'cnf',
    strict: 'a bound token needs its proof of possession (RFC 9449 section 7.1)',
    apply: claim('cnf', { jkt: 'AA' }),
  },
  {
    name: 'a key past its end',
    strict: 'a key that ended is refused even while it is published (Storm-0558)',
    apply: (draft) => ({
      ...draft,
      signer: 'ended',
      header: { ...draft.header, kid: 'ended', alg: 'EdDSA' },
    }),
  },
]

/** All changes: first those on which both agree, then the strict ones. */
export const CHANGES: readonly Change[] = [...AGREED, ...STRICT]

/** An honest draft for a signer. */
export function honestDraft(signer: string, alg: string): Draft {
  const header = { alg, kid: signer, typ: 'at+jwt' }
  return { signer, header, claims, headerEdits: [], payloadEdits: [], edits: [] }
}

/** Signs a draft and edits the text. */
export async function writeToken(
  draft: Draft,
  sign: (input: Uint8Array<ArrayBuffer>) => Promise<ArrayBuffer>,
): Promise<string> {
  const head = draft.headerEdits.reduce(
    (json, change) => change(json),
    JSON.stringify(draft.header),
  )
  const body = draft.payloadEdits.reduce<string | Uint8Array>(
    (json, change) => (typeof json === 'string' ? change(json) : json),
    JSON.stringify(draft.claims),
  )
  const input = `${base64url(head)}.${base64url(body)}`
  const signature = await sign(new Uint8Array(new TextEncoder().encode(input)))
  const token = `${input}.${base64url(new Uint8Array(signature))}`
  return draft.edits.reduce((text, change) => change(text), token)
}
