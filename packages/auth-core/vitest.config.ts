import { cloudflareTest } from '@cloudflare/vitest-plugin'
import { defineConfig } from 'vitest/config'

/** Some tests count to 2^20; a busy machine takes its time. */
const test = { globalSetup: ['test/corpora.setup.ts'], testTimeout: 30_000 }

// The core promises to run everywhere: every test runs in Node and in workerd.
export default defineConfig({
  test: {
    projects: [
      { test: { ...test, name: 'node' } },
      {
        plugins: [
          cloudflareTest({
            miniflare: {
              compatibilityDate: '2026-11-01',
              compatibilityFlags: ['webcrypto_modern_algorithms'],
              cf: false,
            },
          }),
        ],
        test: { ...test, name: 'workerd' },
      },
    ],
  },
})
