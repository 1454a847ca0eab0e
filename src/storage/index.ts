export type { BlockBackend } from './backend.ts';
export { ChunkedBackend, type ChunkSource } from './chunked.ts';
export { BlankBackend, MemoryBackend } from './memory.ts';
export { CHUNK, type OverlayChunk, OverlayDisk } from './overlay.ts';
