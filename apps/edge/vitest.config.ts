import { cloudflareTest } from '@cloudflare/vitest-plugin'
import { defineConfig } from 'vitest/config'
import { WORKER_VARS } from './test/worker-vars.ts'

/** Nothing of a test leaves this machine. */
process.env.CLOUDFLARE_CF_FETCH_ENABLED = 'false'
process.env.WRANGLER_SEND_METRICS = 'false'

export default defineConfig({
  test: {
    projects: [
      {
        plugins: [
          cloudflareTest({
            wrangler: { configPath: './wrangler.jsonc' },
            miniflare: {
              cf: false,
              bindings: WORKER_VARS,
              // Every fetch of the Worker ends at the double of the origin, whatever its host.
              outboundService: 'origin',
              serviceBindings: { ORIGIN: 'origin' },
              workers: [
                {
                  name: 'origin',
                  modules: true,
                  scriptPath: './test/origin-double.js',
                  compatibilityDate: '2026-11-01',
                },
              ],
            },
          }),
        ],
        test: { name: 'workerd', include: ['test/*.test.ts'], testTimeout: 30_000 },
      },
      {
        test: {
          name: 'node',
          include: ['test/node/*.test.ts'],
          environment: 'node',
          testTimeout: 60_000,
        },
      },
    ],
  },
})
