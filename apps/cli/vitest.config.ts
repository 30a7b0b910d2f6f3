import { defineConfig } from 'vitest/config'

// Behaviour is tested with real processes, several for each test.
export default defineConfig({ test: { testTimeout: 30_000, hookTimeout: 30_000 } })
