import { describe, test } from 'vitest'
import { framings, playOverStdio, transcripts } from './played.ts'

describe.each(framings)('over stdio, with %s', (framing) => {
  test.each(transcripts.map((transcript) => [transcript.name, transcript] as const))(
    '%s is answered as it says',
    { timeout: 120_000 },
    (_, transcript) => playOverStdio(transcript, framing),
  )
})
