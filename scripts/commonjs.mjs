import fs from 'node:fs'

// Finish the CommonJS build of the client: its folder says what it is, and where the daemon lies is told in its own way.
fs.writeFileSync('dist/commonjs/package.json', `${JSON.stringify({ type: 'commonjs' })}\n`)
fs.writeFileSync(
  'dist/commonjs/src/client/cinchd-program.js',
  "'use strict'\nexports.cinchdProgram = require('node:path').join(__dirname, '../../../src/cinchd.js')\n",
)
