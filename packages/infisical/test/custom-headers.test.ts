import { describe, expect, it } from 'vitest'
import { parseCustomHeaders } from '../src/index.ts'

describe('custom headers', () => {
  it.each([
    ['', {}],
    ['   ', {}],
    ['Key=value', { key: 'value' }],
    [' Key=value\t Key2="quoted value"\n', { key: 'value', key2: 'quoted value' }],
    ["Key='single quoted'", { key: 'single quoted' }],
    [String.raw`Key="say \"hi\" \\"`, { key: String.raw`say "hi" \ `.trim() }],
    ['Key=a=b==', { key: 'a=b==' }],
    ['Key= Other=x', { key: '', other: 'x' }],
    ['Key=""', { key: '' }],
    ['Key=first KEY=second', { key: 'second' }],
    ['User-Agent=curl Accept=text/html Key=value', { key: 'value' }],
  ])('%o are %o', (text, headers) => {
    expect(parseCustomHeaders(text)).toEqual(headers)
  })

  it.each([
    ['Key', 1],
    ['=value', 1],
    ['Key=value loose', 2],
    ['Key="never closed', 1],
    ['Key="closed"trailing', 1],
    ["A=1 B='x", 2],
  ])('%o are refused at pair %i, without showing a value', (text, pair) => {
    const error = { code: 'invalid_config', details: { pair } }
    expect(() => parseCustomHeaders(text)).toThrow(expect.objectContaining(error))
    expect(() => parseCustomHeaders(text)).not.toThrow(/closed|value$/)
  })

  it.each(['Authorization=x', 'host=x', 'Content-Type=x', 'transfer-encoding=x', 'a:b=x'])(
    '%o are refused, as the transport sets them or HTTP forbids them',
    (text) => {
      expect(() => parseCustomHeaders(text)).toThrow(
        expect.objectContaining({ code: 'invalid_config' }),
      )
    },
  )
})
