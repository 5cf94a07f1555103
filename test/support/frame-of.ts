/** Frames as a driver hands them out, for tests that are the driver. */

import { Frame, type FrameBuffer } from '../../src/drivers/frame.ts';

/** A whole frame of port 0, but for what `fields` say. */
export function frameOf(octets: FrameBuffer, fields: Partial<Omit<Frame, 'octets'>> = {}): Frame {
  const frame = new Frame(octets);
  const length = fields.length ?? octets.length;
  return Object.assign(frame, { length, originalLength: length }, fields);
}
