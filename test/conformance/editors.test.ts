import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { findProgram, output, root, skipWithout } from '../e2e/foreign-support.ts'
import { temporaryFolder, temporaryProject } from '../support/project.ts'
import { environmentWith, theBlock } from './readme.ts'

const nvim = findProgram('nvim')
const emacs = findProgram('emacs')

/** Run a program in a new project, with the README's block in a file and something around it that prints. */
async function tried(command: string, args: readonly string[], file: string, text: string): Promise<string> {
  const folder = temporaryFolder()
  const { project } = temporaryProject()
  fs.writeFileSync(path.join(folder, file), text)
  fs.symlinkSync(path.join(root, 'node_modules'), path.join(folder, 'node_modules'))
  const env = { ...environmentWith(folder), HOME: folder, FOLDER: project }
  return output(command, args, { cwd: folder, env })
}

describe('the lines for editors do what the page says', () => {
  test('in Node, as in VS Code', { timeout: 60_000 }, async () => {
    const around = [
      "import { spawn } from 'node:child_process'",
      "import { createMessageConnection, StreamMessageReader, StreamMessageWriter } from 'vscode-jsonrpc/node'",
      'const folder = process.env.FOLDER',
      theBlock('js'),
      'console.log(rows)',
      "const refused = await cinch.sendRequest('row.list', { table: 'nowhere' }).catch((error) => error)",
      'console.log(refused.code, refused.data.kind)',
      "const streamed = await cinch.sendRequest('query.run', { sql: 'select 7', partialResultToken: 't' })",
      'console.log(streamed.count)',
      "await cinch.sendRequest('shutdown')",
      "await cinch.sendNotification('exit')",
      "cinchd.once('exit', (code) => console.log(code))",
    ]
    const printed = await tried(process.execPath, ['try.mjs'], 'try.mjs', around.join('\n'))
    expect(printed).toBe(
      "[ [ 2 ] ]\n1200 tableNotFound\nt { columns: [ { name: '7', type: null } ], rows: [ [ 7 ] ] }\n1\n0\n",
    )
  })

  test.skipIf(skipWithout(nvim))('in Neovim', { timeout: 60_000 }, async () => {
    const around = [
      'local folder, printed = vim.env.FOLDER, {}',
      'print = function(...) table.insert(printed, table.concat({ ... }, " ")) end',
      theBlock('lua'),
      'vim.wait(20000, function() return #printed == 1 end, 10)',
      "cinch.request('row.list', { table = 'nowhere' }, function(refused) print(refused.code, refused.data.kind) end)",
      'vim.wait(20000, function() return #printed == 2 end, 10)',
      "cinch.request('query.run', { sql = 'select 7', partialResultToken = 't' }, function(_, result) print(result.count) end)",
      'vim.wait(20000, function() return #printed == 4 end, 10)',
      "cinch.request('ping', vim.empty_dict(), function(refused) print(tostring(refused)) end)",
      'vim.wait(20000, function() return #printed == 5 end, 10)',
      'io.stdout:write(table.concat(printed, "\\n") .. "\\n")',
      "vim.cmd('qall!')",
    ]
    const printed = await tried(
      'nvim',
      ['--headless', '--clean', '-n', '-c', 'luafile try.lua'],
      'try.lua',
      around.join('\n'),
    )
    expect(printed).toMatch(/^2\n1200 tableNotFound\n\$\/progress \{.*rows = \{ \{ 7 \} \}.*\n1\nnil\n$/s)
  })

  test.skipIf(skipWithout(emacs))('in Emacs', { timeout: 60_000 }, async () => {
    const around = ["(require 'jsonrpc)", '(defvar folder (getenv "FOLDER"))', theBlock('elisp')]
    const more = [
      `(princ (format "%S\\n" (plist-get (jsonrpc-request cinch 'query.run '(:sql "select 1 + 1")) :rows)))`,
      `(condition-case refused (jsonrpc-request cinch 'row.list '(:table "nowhere"))`,
      '  (jsonrpc-error (princ (format "%S\\n" (alist-get \'jsonrpc-error-code (cddr refused))))))',
      `(princ (format "%S\\n" (jsonrpc-request cinch 'ping (make-hash-table))))`,
      '(jsonrpc-shutdown cinch)',
    ]
    const printed = await tried(
      'emacs',
      ['--batch', '--quick', '--load', 'try.el'],
      'try.el',
      [...around, ...more].join('\n'),
    )
    expect(printed).toBe('[[2]]\n1200\nnil\n')
  })
})
