/** Without the targets themselves, which load and record a lot. */
export const targetNames: readonly string[] = `
  frames json msgpack clone msgpack-blosc deflate brotli round-trips exceptions blosclz lz4 snappy zstd blosc npy
  server-bytes client-bytes channel-bytes container-bytes server-operations client-operations channel-operations
  container-operations
`
  .trim()
  .split(/\s+/);
