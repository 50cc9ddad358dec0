import * as z from 'zod'
import { TableName, ViewName } from '../../protocol/names.ts'
import { generate as generateFiles, languages as known } from '../codegen/generate.ts'
import { codeModel } from '../engine/codegen.ts'
import { branchRefusals, branchScope, method, params } from './method.ts'

const selection = {
  tables: z.array(TableName).max(10_000).optional().describe('default: all'),
  views: z.array(ViewName).max(10_000).optional().describe('default: all'),
}

const selectionRefusals = [...branchRefusals, 'tableNotFound', 'viewNotFound'] as const

export const languages = method({
  summary: 'List the languages that code is generated for.',
  access: 'read',
  params: params({}),
  result: z.object({
    languages: z.array(
      z.object({
        name: z.string(),
        summary: z.string(),
        options: z.record(z.string(), z.array(z.string())).describe('values by name; the first is the default'),
        forms: z.record(z.string(), z.string()).describe('of options that take other values too: a regular expression'),
      }),
    ),
  }),
  refusals: [],
  handle: () => ({
    languages: known.map(({ name, summary, options, forms = {} }) => ({
      name,
      summary,
      options: { ...options } as never,
      forms: Object.fromEntries(Object.entries(forms).map(([name, form]) => [name, form.source])),
    })),
  }),
})

export const generate = method({
  summary: 'Generate typed code from a branch’s schema. The same schema gives the same bytes.',
  access: 'read',
  params: params({
    ...branchScope,
    ...selection,
    language: z.string().max(100),
    options: z.record(z.string(), z.string()).default({}).describe('as codegen.languages lists them'),
  }),
  result: z.object({
    hash: z.string().describe('of what the code was generated from'),
    files: z.array(z.object({ path: z.string().describe('relative, with /'), text: z.string() })),
  }),
  refusals: [...selectionRefusals, 'languageNotFound', 'invalidValue'],
  handle: (call, { language, options, tables, views, ...scope }) => {
    const model = codeModel(call.branch(scope), { tables, views })
    return { hash: model.hash, files: generateFiles(language, model, options) }
  },
})

export const hash = method({
  summary: 'Tell the hash that generated code carries, so that it can see whether the schema is still its own.',
  access: 'read',
  params: params({ ...branchScope, ...selection }),
  result: z.object({ hash: z.string() }),
  refusals: selectionRefusals,
  handle: (call, { tables, views, ...scope }) => ({ hash: codeModel(call.branch(scope), { tables, views }).hash }),
})
