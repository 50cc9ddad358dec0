import { testGolden } from './schemas.ts'

testGolden('java')
