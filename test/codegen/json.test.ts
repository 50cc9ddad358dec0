import { testGolden } from './schemas.ts'

testGolden('json')
