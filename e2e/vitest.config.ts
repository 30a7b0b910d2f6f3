import { defineConfig } from 'vitest/config'

// Whole systems: one at a time, with time for real clocks.
export default defineConfig({
  test: { testTimeout: 120_000, hookTimeout: 60_000, fileParallelism: false },
})
