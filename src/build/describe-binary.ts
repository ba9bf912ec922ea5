const MACHINES: Readonly<Record<number, string>> = { 62: 'x64', 183: 'arm64' };
/** Where every ELF file says for which machine it is. */
const E_MACHINE = 18;

/**
 * For which machine an ELF file is, and the oldest glibc it loads with: the newest of the symbol versions it asks for,
 * which stand in it as plain texts.
 * @throws Error for what is no ELF file
 */
export function describeBinary(binary: Buffer): { readonly machine: string; readonly glibc: string } {
  if (binary.toString('latin1', 0, 4) !== '\x7fELF') throw new Error('not an ELF file; compile it anew');
  const machine = binary.readUInt16LE(E_MACHINE);
  const versions = [...binary.toString('latin1').matchAll(/\0GLIBC_(\d+(?:\.\d+)+)(?=\0)/g)].map(([, text]) => text!);
  const [newest] = versions.sort((a, b) => b.localeCompare(a, 'en', { numeric: true }));
  return { machine: MACHINES[machine] ?? `machine ${machine}`, glibc: newest ?? '0' };
}
