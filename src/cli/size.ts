const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB']

/** `12.3 MiB` */
export function sizeText(count: number): string {
  const unit = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, count)) / 10))
  return unit === 0 ? `${count} bytes` : `${(count / 1024 ** unit).toFixed(1)} ${units[unit]}`
}

/** `12.3 MiB (12897485 bytes)` */
export function exactSizeText(count: number): string {
  return count < 1024 ? sizeText(count) : `${sizeText(count)} (${count} bytes)`
}
