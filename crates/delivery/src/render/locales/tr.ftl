# Turkish

code-subject = { $code }, { $app } kodunuz
code-subject-unnamed = { $code }, kodunuz
code-heading = { $app } kodunuz
code-heading-unnamed = Kodunuz
code-text = { $app } kodunuz: { $code }
code-text-unnamed = Kodunuz: { $code }
code-expiry = Yalnızca bir kez kullanılabilir ve { $lifetime } geçerlidir.
code-link = Ya da giriş yapmak için bu bağlantıyı açın:
code-button = Giriş yap
code-warning = Bu kodu kimseyle paylaşmayın. Siz talep etmediyseniz bu iletiyi yok sayabilirsiniz.

login-subject = Giriş: { $app }
login-subject-unnamed = Giriş
login-link = Giriş yapmak için bu bağlantıyı talep ettiğiniz cihazda açın:
login-copy = Giriş yapmak için bu metni talep ettiğiniz yere kopyalayın:
login-button = Giriş yap
login-warning = Bu iletiyi kimseyle paylaşmayın. Siz talep etmediyseniz yok sayabilirsiniz.

recovery-subject = { $app } hesabınızı kurtarın
recovery-subject-unnamed = Hesabınızı kurtarın
recovery-link = Hesabınızı kurtarmak için bu bağlantıyı talep ettiğiniz cihazda açın:
recovery-copy = Hesabınızı kurtarmak için bu metni talep ettiğiniz yere kopyalayın:
recovery-button = Hesabı kurtar
recovery-warning = Bu iletiyi kimseyle paylaşmayın. Siz talep etmediyseniz başka biri hesabınıza girmeye çalışıyor olabilir; bu iletiyi yok sayabilirsiniz.

bundle-expiry = { $lifetime } geçerlidir.

sms = { $app } kodunuz: { $code }
sms-unnamed = Kodunuz: { $code }
sms-full = { sms }. { $lifetime } geçerlidir.
sms-full-unnamed = { sms-unnamed }. { $lifetime } geçerlidir.

minutes = { $number } dakika
hours = { $number } saat
days = { $number } gün
