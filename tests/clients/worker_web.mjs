// Runs ONNX files in onnxruntime-web (WebAssembly), as worker.py does in other programs:
//   node worker_web.mjs FOLDER   FOLDER has node_modules
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const answer = process.stdout.write.bind(process.stdout);
console.log = console.error;
const require = createRequire(process.argv[2] + '/');
const ort = await import(pathToFileURL(require.resolve('onnxruntime-web')));
ort.env.wasm.numThreads = 1;
ort.env.logLevel = 'error';

// An .npy file of float32: numpy/lib/format.py.
function readNpy(name) {
  const file = readFileSync(name);
  const start = 10 + file.readUInt16LE(8);
  const dims = /'shape': \(([^)]*)\)/.exec(file.toString('latin1', 10, start))[1];
  return { dims: dims.split(',').filter((d) => d.trim()).map(Number),
           data: new Float32Array(file.buffer.slice(file.byteOffset + start, file.byteOffset + file.length)) };
}

function writeNpy(name, dims, data) {
  let header = `{'descr': '<f4', 'fortran_order': False, 'shape': (${dims.join(', ')}), }`;
  header = header.padEnd(64 * Math.ceil((11 + header.length) / 64) - 11) + '\n';
  const start = Buffer.from('\x93NUMPY\x01\x00\x00\x00', 'latin1');
  start.writeUInt16LE(header.length, 8);
  writeFileSync(name, Buffer.concat([start, Buffer.from(header), Buffer.from(data.buffer, data.byteOffset, data.byteLength)]));
}

for await (const line of createInterface({ input: process.stdin })) {
  const [model, input, output] = line.split('\t');
  const start = Date.now();
  try {
    const session = await ort.InferenceSession.create(readFileSync(model), { executionProviders: ['wasm'] });
    const { dims, data } = readNpy(input);
    const results = await session.run({ [session.inputNames[0]]: new ort.Tensor('float32', data, dims) });
    const result = results[session.outputNames[0]];
    writeNpy(output, result.dims, result.data);
    answer(`ran ${((Date.now() - start) / 1000).toFixed(1)}\n`);
  } catch (error) {
    answer(`refused ${String(error).split(/\s+/).join(' ')}\n`);
  }
}
