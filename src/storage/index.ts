export type { BlockBackend } from './backend.ts';
export { type CacheOptions, type CacheStatistics, ChunkedBackend, type ChunkSource } from './chunked.ts';
export type { DiskOverlay } from './image-name.ts';
export { BlankBackend, MemoryBackend } from './memory.ts';
export { CHUNK, type OverlayChunk, OverlayDisk } from './overlay.ts';
export { OverlaidBackend } from './overlay-log/backend.ts';
export { type OverlayBase, OverlayError } from './overlay-log/format.ts';
export { mergeOverlay, OverlayKeeper } from './overlay-log/keeper.ts';
export { type OverlayFile, OverlayLog } from './overlay-log/log.ts';
