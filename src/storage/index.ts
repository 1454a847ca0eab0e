export { type BlockBackend, type Disk, type DiskRead, SECTOR } from './backend.ts';
export { ChunkedBackend, type ChunkSource } from './chunked.ts';
export { BlankBackend, MemoryBackend } from './memory.ts';
export { CHUNK, type OverlayChunk, OverlayDisk } from './overlay.ts';
