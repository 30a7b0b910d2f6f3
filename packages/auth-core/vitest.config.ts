import { cloudflareTest } from '@cloudflare/vitest-plugin'
import { defineConfig } from 'vitest/config'

const globalSetup = ['test/corpora.setup.ts']

// The core promises to run everywhere: every test runs in Node and in workerd.
export default defineConfig({
  test: {
    projects: [
      { test: { name: 'node', globalSetup } },
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
        test: { name: 'workerd', globalSetup },
      },
    ],
  },
})
