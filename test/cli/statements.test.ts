import { expect, test } from 'vitest'
import { onOneLine, StatementReader } from '../../src/cli/shell/statements.ts'

/** The statements of a text that is given line by line, and what is left. */
function split(text: string): { statements: string[]; left: string } {
  const reader = new StatementReader()
  const statements = text.split('\n').flatMap((line) => reader.read(line))
  return { statements, left: reader.pending }
}

const cases: readonly (readonly [string, readonly string[], string])[] = [
  ['select 1; select 2;', ['select 1;', 'select 2;'], ''],
  ['select\n1\n;', ['select\n1\n;'], ''],
  [';; ; select 1;', ['select 1;'], ''],
  ["select ';', 'a''; b';", ["select ';', 'a''; b';"], ''],
  ['select ";", [;], `;`;', ['select ";", [;], `;`;'], ''],
  ["select 'a\n;b';", ["select 'a\n;b';"], ''],
  ['-- a; comment\nselect 1;', ['select 1;'], ''],
  ['select 1 -- ;\n;', ['select 1 -- ;\n;'], ''],
  ['/* a;\n b; */ select 1;', ['select 1;'], ''],
  ['select 1; /* a;\n b;', ['select 1;'], ' /* a;\n b;'],
  ['select 1; -- done', ['select 1;'], ''],
  ["select 'x", [], "select 'x"],
  ['select case 1 when 1 then 2 end; select 3;', ['select case 1 when 1 then 2 end;', 'select 3;'], ''],
  [
    'create temp trigger a after insert on t begin\n  update t set a = case when 1 then 2 end;\n  select 1;\nend;\nselect 2;',
    [
      'create temp trigger a after insert on t begin\n  update t set a = case when 1 then 2 end;\n  select 1;\nend;',
      'select 2;',
    ],
    '',
  ],
  ['create trigger a begin select 1;', [], 'create trigger a begin select 1;'],
]

test.each(cases)('%j is cut where its statements end', (text, statements, left) => {
  expect(split(text)).toEqual({ statements, left })
})

test('a last statement needs no semicolon', () => {
  const reader = new StatementReader()
  expect(reader.read('select 1; select 2')).toEqual(['select 1;'])
  expect(reader.finish()).toBe(' select 2')
  reader.read('-- nothing')
  expect(reader.finish()).toBeUndefined()
})

test('a statement of several lines is kept on one, unless a text in it spans lines', () => {
  expect(onOneLine("select 1, -- one\n  'a  b'\n;")).toBe("select 1, 'a  b' ;")
  expect(onOneLine("select 'a\nb';")).toBeUndefined()
})
