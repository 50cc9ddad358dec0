import { nearMiss } from '../base/near-miss.ts'
import { refuse } from '../base/refusal.ts'
import { go } from './go.ts'
import { java } from './java.ts'
import { json } from './json.ts'
import type { Model } from './model.ts'
import { python } from './python.ts'
import { rust } from './rust.ts'
import { typescript } from './typescript.ts'

/** A language that code is generated for. */
export interface Language {
  readonly name: string
  /** What comes out of it, in one sentence. */
  readonly summary: string
  /** What can be chosen, by name: its values, the first being the default. */
  readonly options: { readonly [name: string]: readonly [string, ...string[]] }
  /** Of options that take other values too: their form. */
  readonly forms?: { readonly [name: string]: RegExp }
  generate(model: Model, options: LanguageOptions): GeneratedFile[]
}

export type LanguageOptions = { readonly [name: string]: string }

export interface GeneratedFile {
  /** Below the folder that the caller chooses, with `/`. */
  readonly path: string
  readonly text: string
}

export const languages: readonly Language[] = [go, java, json, python, rust, typescript]

/** Generate code. The same model and options give the same bytes. */
export function generate(name: string, model: Model, options: LanguageOptions = {}): GeneratedFile[] {
  const language = languages.find((language) => language.name === name)
  if (language === undefined) {
    const suggestion = nearMiss(
      name,
      languages.map((language) => language.name),
    )
    return refuse('languageNotFound', { language: name, ...(suggestion !== undefined && { suggestion }) })
  }
  return language.generate(model, completed(language, options))
}

function completed(language: Language, given: LanguageOptions): LanguageOptions {
  for (const [name, value] of Object.entries(given)) {
    const values = Object.hasOwn(language.options, name) ? language.options[name] : undefined
    if (values === undefined)
      refuse('invalidValue', { where: `options.${name}`, reason: `${language.name} has no such option` })
    const form = language.forms?.[name]
    if (values?.includes(value) || form?.test(value)) continue
    refuse('invalidValue', {
      where: `options.${name}`,
      reason: form ? `of the form ${form.source}` : `one of ${values?.join(', ')}`,
    })
  }
  const defaults = Object.entries(language.options).map(([name, [first]]) => [name, first] as const)
  return { ...Object.fromEntries(defaults), ...given }
}
