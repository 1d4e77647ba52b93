# Indonesian

code-subject = { $code } adalah kode { $app } Anda
code-subject-unnamed = { $code } adalah kode Anda
code-heading = Kode { $app } Anda
code-heading-unnamed = Kode Anda
code-text = Kode { $app } Anda adalah { $code }
code-text-unnamed = Kode Anda adalah { $code }
code-expiry = Hanya berlaku sekali dan kedaluwarsa dalam { $lifetime }.
code-link = Atau buka tautan ini untuk masuk:
code-button = Masuk
code-warning = Jangan bagikan kode ini kepada siapa pun. Jika Anda tidak memintanya, Anda dapat mengabaikan pesan ini.

login-subject = Masuk ke { $app }
login-subject-unnamed = Masuk
login-link = Untuk masuk, buka tautan ini di perangkat tempat Anda memintanya:
login-copy = Untuk masuk, salin teks ini ke tempat Anda memintanya:
login-button = Masuk
login-warning = Jangan bagikan pesan ini kepada siapa pun. Jika Anda tidak memintanya, Anda dapat mengabaikannya.

recovery-subject = Pulihkan akun { $app } Anda
recovery-subject-unnamed = Pulihkan akun Anda
recovery-link = Untuk memulihkan akun, buka tautan ini di perangkat tempat Anda memintanya:
recovery-copy = Untuk memulihkan akun, salin teks ini ke tempat Anda memintanya:
recovery-button = Pulihkan akun
recovery-warning = Jangan bagikan pesan ini kepada siapa pun. Jika Anda tidak memintanya, mungkin ada orang lain yang mencoba masuk ke akun Anda; Anda dapat mengabaikan pesan ini.

bundle-expiry = Kedaluwarsa dalam { $lifetime }.

sms = { $app }: kode Anda { $code }
sms-unnamed = Kode Anda { $code }
sms-full = { sms }. Kedaluwarsa dalam { $lifetime }.
sms-full-unnamed = { sms-unnamed }. Kedaluwarsa dalam { $lifetime }.

minutes = { $number } menit
hours = { $number } jam
days = { $number } hari
