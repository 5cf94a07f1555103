import * as ddk from '../../../src/ddk/index.ts';
import { createStandAlone } from '../../../src/ddk/stand-alone.ts';

const a = Object.keys(ddk).sort();
const b = Object.keys(createStandAlone().door.exports).sort();
console.log(
  a.length,
  b.length,
  a.filter((x) => !b.includes(x)),
  b.filter((x) => !a.includes(x)),
);
