// picomatch ships no types; this is the one call that is used here.
declare module 'picomatch' {
  interface MatchOptions {
    readonly strictSlashes?: boolean
  }
  const picomatch: {
    isMatch(text: string, pattern: string, options?: MatchOptions): boolean
  }
  export default picomatch
}
