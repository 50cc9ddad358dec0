import { fileURLToPath } from 'node:url'

/**
 * The compiled file of a program or thread that is started by its path: Node runs JavaScript, so what runs from the
 * sources (as tests do) starts what was compiled last.
 *
 * @param name the file's name as compiled, relative to the caller: `./checkpoint-thread.js`
 * @param caller the caller's `import.meta.url`
 */
export function compiledFile(name: string, caller: string): string {
  const file = fileURLToPath(new URL(name, caller))
  return caller.endsWith('.ts') ? file.replace(/\/src\/(?!.*\/src\/)/, '/dist/src/') : file
}
