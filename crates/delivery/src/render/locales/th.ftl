# Thai

code-subject = { $code } คือรหัส { $app } ของคุณ
code-subject-unnamed = { $code } คือรหัสของคุณ
code-heading = รหัส { $app } ของคุณ
code-heading-unnamed = รหัสของคุณ
code-text = รหัส { $app } ของคุณคือ { $code }
code-text-unnamed = รหัสของคุณคือ { $code }
code-expiry = ใช้ได้ครั้งเดียวและจะหมดอายุใน { $lifetime }
code-link = หรือเปิดลิงก์นี้เพื่อเข้าสู่ระบบ:
code-button = เข้าสู่ระบบ
code-warning = อย่าบอกรหัสนี้แก่ผู้ใด หากคุณไม่ได้ขอรหัสนี้ โปรดเพิกเฉยต่อข้อความนี้

login-subject = เข้าสู่ระบบ { $app }
login-subject-unnamed = เข้าสู่ระบบ
login-link = เปิดลิงก์นี้บนอุปกรณ์ที่คุณใช้ขอลิงก์เพื่อเข้าสู่ระบบ:
login-copy = คัดลอกข้อความนี้ไปยังที่ที่คุณขอไว้เพื่อเข้าสู่ระบบ:
login-button = เข้าสู่ระบบ
login-warning = อย่าส่งข้อความนี้ให้ผู้ใด หากคุณไม่ได้ขอ โปรดเพิกเฉยต่อข้อความนี้

recovery-subject = กู้คืนบัญชี { $app } ของคุณ
recovery-subject-unnamed = กู้คืนบัญชีของคุณ
recovery-link = เปิดลิงก์นี้บนอุปกรณ์ที่คุณใช้ขอลิงก์เพื่อกู้คืนบัญชี:
recovery-copy = คัดลอกข้อความนี้ไปยังที่ที่คุณขอไว้เพื่อกู้คืนบัญชี:
recovery-button = กู้คืนบัญชี
recovery-warning = อย่าส่งข้อความนี้ให้ผู้ใด หากคุณไม่ได้ขอ อาจมีผู้อื่นพยายามเข้าถึงบัญชีของคุณ โปรดเพิกเฉยต่อข้อความนี้

bundle-expiry = จะหมดอายุใน { $lifetime }

sms = { $app }: รหัสของคุณคือ { $code }
sms-unnamed = รหัสของคุณคือ { $code }
sms-full = { sms } หมดอายุใน { $lifetime }
sms-full-unnamed = { sms-unnamed } หมดอายุใน { $lifetime }

minutes = { $number } นาที
hours = { $number } ชั่วโมง
days = { $number } วัน
